"""The platform's entry points on AWS Lambda: decode the event, call what the processes call."""
