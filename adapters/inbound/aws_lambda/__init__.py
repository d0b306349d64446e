"""The platform's entry points on AWS Lambda: decode the event, call what the processes call."""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # What is imported stays: walking it again and again was a sixth of a start's processor time.
    # `Resident` switches the collector on.
    gc.disable()
