"""The SQL texts of the reports: one each, in Athena's dialect (Trino), with named parameters.

Athena gets them with ``?`` for every ``:name``; DuckDB gets them translated (``duckdb_sql``).

Records may be there twice, so each text first makes one row of every ``event_key``, the earliest.
That is cheap on the kinds that are few. Where rows are many, keys that are there more than once are
looked for first, in one column of numbers, and all other rows are counted as they are: a third of
the time and memory, for two more looks at the columns in Athena. The rows have no name in that
text, for DuckDB would keep whatever is named and used twice.

Money is summed in whole numbers, billionths of the currency's unit: what a thousand impressions
cost in millionths, one impression costs in billionths.
"""

# ruff: noqa: S608 - these texts are put together from pieces of this file alone
from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

DAYS = "dt BETWEEN :first AND :last"
BROKER = "(:broker = '' OR broker = :broker)"
CAMPAIGN = "(:campaign = '' OR campaign = :campaign)"
SERVICE = "(:service = '' OR service = :service)"
CREATIVE = "(:creative = '' OR creative_id = :creative)"
PLAYBACK = """kind IN (
    'impression', 'start', 'first_quartile', 'midpoint', 'third_quartile', 'complete', 'skip')"""
NANOS = """CASE
    WHEN pricing = 'CPM' AND kind = 'impression' THEN price_micros
    WHEN pricing = 'CPC' AND kind = 'click' THEN price_micros * 1000
    WHEN pricing = 'CPV' AND kind = 'complete' THEN price_micros * 1000
    ELSE 0 END"""


def once(columns: str, where: str) -> str:
    """``columns``: names. One row for each event that ``where`` lets through; for kinds that are
    few."""
    return f"""once AS (
  SELECT event_key, min(occurred_at) AS occurred_at, {picked(columns)}
  FROM statistics
  WHERE {DAYS} AND {where}
  GROUP BY event_key
)"""


def mostly_once(columns: str, where: str, *, at: str = "occurred_at") -> str:
    """The same for kinds that are many. ``at``: the earliest of which the row gets."""
    return f"""repeated AS (
  SELECT event_key
  FROM statistics
  WHERE {DAYS} AND {where}
  GROUP BY event_key
  HAVING count(*) > 1
),
once AS (
  SELECT {at}, {columns}
  FROM statistics
  WHERE {DAYS} AND {where} AND event_key NOT IN (SELECT event_key FROM repeated)
  UNION ALL
  SELECT min({at}) AS {at}, {picked(columns)}
  FROM statistics
  WHERE {DAYS} AND {where} AND event_key IN (SELECT event_key FROM repeated)
  GROUP BY event_key
)"""


def picked(columns: str) -> str:
    names = [name.strip() for name in columns.split(",")]
    return ", ".join(f"arbitrary({name}) AS {name}" for name in names)


FILL_RATE = f"""
WITH {
    mostly_once(
        "kind, outcome, broker, slots", f"kind IN ('request', 'ad') AND {BROKER} AND {SERVICE}"
    )
},
counted AS (
  SELECT broker, date_format(date_trunc('hour', occurred_at), '%Y-%m-%dT%H:00Z') AS hour,
    count_if(kind = 'request') AS requests,
    count_if(kind = 'request' AND outcome = 'no_ad') AS no_ads,
    count_if(kind = 'request' AND outcome = 'timeout') AS timeouts,
    count_if(kind = 'request' AND outcome = 'error') AS errors,
    sum(CASE WHEN kind = 'request' THEN coalesce(slots, 1) ELSE 0 END) AS slots,
    count_if(kind = 'ad' AND outcome = 'filled') AS filled,
    count_if(kind = 'ad' AND outcome = 'skipped') AS skipped
  FROM once
  GROUP BY 1, 2
)
SELECT broker, hour, requests, no_ads, timeouts, errors, CAST(slots AS bigint) AS slots, filled,
  skipped, CAST(filled AS double) / NULLIF(CAST(slots AS double), 0) AS fill_rate
FROM counted
ORDER BY broker, hour
"""

COMPLETION = f"""
WITH {
    mostly_once(
        "kind, campaign, creative_id",
        f"{PLAYBACK} AND {BROKER} AND {CAMPAIGN} AND {CREATIVE}",
        at="dt",
    )
},
counted AS (
  SELECT campaign, creative_id, dt,
    count_if(kind = 'impression') AS impressions,
    count_if(kind = 'start') AS starts,
    count_if(kind = 'first_quartile') AS first_quartiles,
    count_if(kind = 'midpoint') AS midpoints,
    count_if(kind = 'third_quartile') AS third_quartiles,
    count_if(kind = 'complete') AS completes,
    count_if(kind = 'skip') AS skips
  FROM once
  GROUP BY campaign, creative_id, dt
)
SELECT campaign, creative_id, dt AS day, impressions, starts, first_quartiles, midpoints,
  third_quartiles, completes, skips,
  CAST(completes AS double) / NULLIF(impressions, 0) AS completion_rate
FROM counted
ORDER BY campaign, creative_id, day
"""

REVENUE = f"""
WITH {
    mostly_once(
        "kind, broker, campaign, service, currency, pricing, price_micros",
        f"(kind IN ('impression', 'click') OR (kind = 'complete' AND pricing = 'CPV'))"
        f" AND {BROKER} AND {CAMPAIGN} AND {SERVICE}",
    )
},
counted AS (
  SELECT broker, campaign, service, currency,
    count_if(kind = 'impression') AS impressions,
    count_if(kind = 'click') AS clicks,
    CAST(sum({NANOS}) AS double) / 1000000000 AS revenue
  FROM once
  GROUP BY broker, campaign, service, currency
)
SELECT broker, campaign, service, currency, impressions, clicks, revenue,
  revenue * 1000 / NULLIF(impressions, 0) AS ecpm
FROM counted
ORDER BY broker, campaign, service, currency
"""

ERRORS = f"""
WITH {
    once(
        "kind, broker, creative_id, error_code, reason",
        f"error_code IS NOT NULL AND {BROKER} AND {CREATIVE}",
    )
}
SELECT broker, creative_id, CAST(error_code AS bigint) AS error_code, kind AS told_by, reason,
  count(*) AS errors, date_format(max(occurred_at), '%Y-%m-%dT%H:%i:%SZ') AS last_at
FROM once
GROUP BY broker, creative_id, error_code, kind, reason
ORDER BY errors DESC, broker, creative_id, error_code, told_by, reason
"""

NOT_READY = f"""
WITH {
    once(
        "broker, campaign, creative_id, currency, pricing, price_micros",
        f"kind = 'ad' AND error_code = 407 AND {BROKER} AND {CAMPAIGN}",
    )
}
SELECT broker, campaign, currency, count(*) AS skipped, count(DISTINCT creative_id) AS creatives,
  CAST(sum(CASE WHEN pricing = 'CPM' THEN price_micros ELSE 0 END) AS double) / 1000000000
    AS revenue_forgone
FROM once
GROUP BY broker, campaign, currency
ORDER BY skipped DESC, broker, campaign, currency
"""

READINESS = f"""
WITH {once("broker, wait_ms", f"kind = 'ready' AND {BROKER}")}
SELECT date_format(date_trunc('day', occurred_at), '%Y-%m-%d') AS day, count(*) AS creatives,
  CAST(approx_percentile(wait_ms, 0.5) AS bigint) AS p50_ms,
  CAST(approx_percentile(wait_ms, 0.95) AS bigint) AS p95_ms, max(wait_ms) AS max_ms
FROM once
GROUP BY 1
ORDER BY day
"""

REACH = f"""
WITH {
    mostly_once(
        "campaign, session", f"kind = 'impression' AND session <> '' AND {BROKER} AND {CAMPAIGN}"
    )
},
seen AS (
  SELECT campaign, session, count(*) AS times FROM once GROUP BY campaign, session
)
SELECT campaign, count(*) AS viewers, CAST(sum(times) AS bigint) AS impressions,
  CAST(sum(times) AS double) / count(*) AS frequency,
  count_if(times = 1) AS saw_it_once, count_if(times BETWEEN 2 AND 3) AS saw_it_2_to_3_times,
  count_if(times BETWEEN 4 AND 9) AS saw_it_4_to_9_times, count_if(times > 9) AS saw_it_more_often,
  max(times) AS most_times
FROM seen
GROUP BY campaign
ORDER BY campaign
"""

LATENCY = f"""
WITH {once("broker, outcome, latency_ms", f"kind = 'request' AND {BROKER} AND {SERVICE}")}
SELECT broker, count(*) AS requests, count_if(outcome = 'timeout') AS timeouts,
  CAST(count_if(outcome = 'timeout') AS double) / count(*) AS timeout_rate,
  count_if(outcome = 'error') AS errors,
  CAST(approx_percentile(latency_ms, 0.5) AS bigint) AS p50_ms,
  CAST(approx_percentile(latency_ms, 0.95) AS bigint) AS p95_ms,
  CAST(approx_percentile(latency_ms, 0.99) AS bigint) AS p99_ms, max(latency_ms) AS max_ms
FROM once
GROUP BY broker
ORDER BY broker
"""

FAILING_CREATIVES = f"""
WITH {
    mostly_once(
        "kind, creative_id, broker, error_code",
        f"kind IN ('impression', 'error') AND {BROKER} AND {CAMPAIGN}",
    )
},
counted AS (
  SELECT creative_id, broker, count_if(kind = 'error') AS errors,
    count_if(kind = 'impression') AS impressions,
    count(DISTINCT CASE WHEN kind = 'error' THEN error_code END) AS codes
  FROM once
  GROUP BY creative_id, broker
)
SELECT creative_id, broker, errors, impressions, codes,
  CAST(errors AS double) / NULLIF(errors + impressions, 0) AS error_rate
FROM counted
WHERE errors > 0
ORDER BY errors DESC, creative_id, broker
"""

TEXTS: Mapping[str, str] = {
    "fill-rate": FILL_RATE,
    "completion": COMPLETION,
    "revenue": REVENUE,
    "errors": ERRORS,
    "not-ready": NOT_READY,
    "readiness": READINESS,
    "reach": REACH,
    "latency": LATENCY,
    "failing-creatives": FAILING_CREATIVES,
}

NAMED = re.compile(r":([a-z]+)")


def athena_sql(name: str, parameters: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with ``?``, and what Athena puts in their places, in their order: literals of SQL.

    https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
    """
    text = TEXTS[name]
    values = [literal(parameters[found]) for found in NAMED.findall(text)]
    return NAMED.sub("?", text), values


def literal(value: str) -> str:
    """A literal of Trino has one escape, the doubled quote; a backslash is a backslash."""
    return "'" + value.replace("'", "''") + "'"


def used(name: str) -> set[str]:
    return set(NAMED.findall(TEXTS[name]))


@cache
def duckdb_sql(name: str) -> str:
    """With ``$name`` for ``:name``."""
    import sqlglot  # only where DuckDB stands in for Athena

    return sqlglot.transpile(TEXTS[name], read="athena", write="duckdb")[0]
