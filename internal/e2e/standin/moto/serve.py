"""Moto with patches: one AWS account on a port of loopback.

    python3 serve.py PORT FOLDER  serves; PORT is the front's, which stands before
                                  it, and the code of functions goes to FOLDER
    python3 serve.py --patches    prints the patches, name and purpose on each line
"""

import logging
import os
import sys


def main():
    if sys.argv[1:] != ["--patches"] and len(sys.argv) != 3:
        sys.exit(__doc__)
    if len(sys.argv) == 3:
        os.environ["MOTO_PORT"], os.environ["STANDIN_FOLDER"] = sys.argv[1:]  # moto reads the first when it is imported
    import patches
    import stacks, resources, custom, machines, interpreter, tables, functions, mappings, rules  # noqa: F401, E401; they list their patches

    if sys.argv[1] == "--patches":
        for name, mends, _ in patches.PATCHES:
            print(name, mends, sep="\t")
        return
    patches.apply()
    serve()


def serve():
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    print("serving at http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
