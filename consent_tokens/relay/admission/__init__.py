"""What admission is decided by: registration numbers, twins, ports, signatures. Pure."""
