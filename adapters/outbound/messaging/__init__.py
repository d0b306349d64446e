"""SNS and SQS, as far as operators of read models need them."""
