-- The fifty calls to listen into first: failed ones, then those whose caller was given up or waited longest.
WITH waits AS (
  SELECT session_id, MAX(wait_ms) AS longest_wait_ms
  FROM calls
  CROSS JOIN UNNEST(answer_latency_ms) AS answers (wait_ms)
  GROUP BY session_id
)
SELECT
  calls.dt,
  calls.session_id,
  calls.conversation_id,
  calls.bot_id,
  calls.disposition,
  calls.end_reason,
  calls.counts.interruptions_by_caller AS interruptions,
  waits.longest_wait_ms
FROM calls
LEFT JOIN waits ON waits.session_id = calls.session_id
ORDER BY
  CASE calls.disposition WHEN 'failed' THEN 0 WHEN 'abandoned' THEN 1 ELSE 2 END,
  COALESCE(waits.longest_wait_ms, 0) DESC,
  calls.session_id
LIMIT 50
