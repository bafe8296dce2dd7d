"""What the daemons that talk to AWS share: who the device is, how AWS is reached, TLS, HTTPS, patience."""
