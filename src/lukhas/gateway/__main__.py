"""A data-plane worker, as the supervisor starts it."""

from lukhas.ending import end_process
from lukhas.gateway.worker import main

__all__ = ()

if __name__ == "__main__":
    main()
    end_process()
