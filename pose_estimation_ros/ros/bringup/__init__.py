"""What the launch files are made of.

`ros2 launch` reads them with the system's Python, so nothing here may import NumPy, OpenCV or
another library that may be only in the virtual environment of the node.
"""
