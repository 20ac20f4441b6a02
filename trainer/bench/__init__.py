"""`tutee bench`: how fast this machine is at what Tutee does, side by side with what people would use instead."""
