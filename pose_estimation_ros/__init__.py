"""Human poses from camera images, for ROS 2 and for plain Python."""

import os
from pkgutil import extend_path

# ONNX Runtime's wheels report their use to Microsoft (since 1.32 on Linux, too), under a device
# number that they keep in ~/.cache. It is asked when the library is imported, hence here.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The generated messages live in the installed package; with this, they are found also when Python
# runs inside a checkout and takes the Python sources from there.
__path__ = extend_path(__path__, __name__)
