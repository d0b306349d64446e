"""Unit prices, US dollars, us-east-1, without free tiers and discounts, as listed on 2026-11-23.

Sources: the pricing pages of the services (aws.amazon.com/dynamodb/pricing/on-demand,
aws.amazon.com/sns/pricing, aws.amazon.com/sqs/pricing). DynamoDB: on-demand, since the reduction of
November 2024. SQS and SNS count a request of up to 64 KB as one; a batch is one request per 64 KB.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1_000_000
GIB = 1024**3


@dataclass(frozen=True)
class Prices:
    write_unit: float = 0.625 / MILLION
    read_unit: float = 0.125 / MILLION
    stream_read: float = 0.02 / 100_000
    """Per GetRecords request; Lambda's own reads are free."""
    sns_fifo_publish: float = 0.30 / MILLION
    """Per message published; we count each message of a batch, the dearer reading of the page."""
    sns_fifo_published_byte: float = 0.017 / GIB
    sns_fifo_delivery: float = 0.01 / MILLION
    sns_fifo_delivered_byte: float = 0.001 / GIB
    sqs_fifo_request: float = 0.50 / MILLION


PRICES = Prices()


@dataclass(frozen=True)
class Usage:
    """What AWS would bill, for any number of commands."""

    write_units: float = 0.0
    read_units: float = 0.0
    stream_reads: float = 0.0
    published: float = 0.0
    published_bytes: float = 0.0
    sqs_requests: float = 0.0

    def dollars(self, prices: Prices = PRICES) -> float:
        """Each message goes to one queue: a delivery and its bytes per message published."""
        return (
            self.write_units * prices.write_unit
            + self.read_units * prices.read_unit
            + self.stream_reads * prices.stream_read
            + self.published * (prices.sns_fifo_publish + prices.sns_fifo_delivery)
            + self.published_bytes
            * (prices.sns_fifo_published_byte + prices.sns_fifo_delivered_byte)
            + self.sqs_requests * prices.sqs_fifo_request
        )
