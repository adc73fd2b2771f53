"""What both trainings share: data, boxes, loop, optimizer, metrics. Imports no other folder."""
