"""Creates and describes what runs in AWS: the CloudFormation stack under ``deploy/``."""
