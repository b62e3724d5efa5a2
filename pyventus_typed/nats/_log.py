"""The logger of this edge."""

import logging

logger = logging.getLogger("pyventus_typed.nats")
