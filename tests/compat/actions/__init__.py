"""What cases do before and in between: the other side of whatever the component asks for."""
