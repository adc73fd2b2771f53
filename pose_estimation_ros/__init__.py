"""Human poses from camera images, for ROS 2 and for plain Python."""

from pkgutil import extend_path

# The generated messages live in the installed package; with this, they are found also when Python
# runs inside a checkout and takes the Python sources from there.
__path__ = extend_path(__path__, __name__)
