"""What ``make run`` brings to a machine with nothing: servers, stand-ins, web and worker, and an end to all of them."""
