#!/usr/lib/ggl/bin/python3 -I
import sys

from gglcli.__main__ import main

sys.argv[0] = "ggl"
main()
