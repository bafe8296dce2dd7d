from ggl.host.process.main import main

main()
