"""rosbag2 recordings: reading, salvage of damaged ones, and writing poses."""
