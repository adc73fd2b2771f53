"""What a camera listens to: images, intrinsics and depth."""
