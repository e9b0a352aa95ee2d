-- How long callers waited for an answer, per day: of all answers, never of averages or percentiles of calls.
-- Nearest rank: the smallest wait that is not shorter than so many of them.
WITH waits AS (
  SELECT dt, wait_ms
  FROM calls
  CROSS JOIN UNNEST(answer_latency_ms) AS answers (wait_ms)
),
ranked AS (
  SELECT
    dt,
    wait_ms,
    ROW_NUMBER() OVER (PARTITION BY dt ORDER BY wait_ms) AS place,
    COUNT(*) OVER (PARTITION BY dt) AS answers
  FROM waits
)
SELECT
  dt,
  MAX(answers) AS answers,
  MIN(CASE WHEN place * 100 >= answers * 50 THEN wait_ms END) AS p50_ms,
  MIN(CASE WHEN place * 100 >= answers * 95 THEN wait_ms END) AS p95_ms,
  MAX(wait_ms) AS longest_ms
FROM ranked
GROUP BY dt
ORDER BY dt
