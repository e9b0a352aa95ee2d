-- Who spoke how long per day, how long nobody did, and how often the caller spoke into the agent's words.
WITH spoken AS (
  SELECT
    session_id,
    SUM(CASE WHEN speaker = 'caller' THEN end_ms - start_ms ELSE 0 END) AS caller_ms,
    SUM(CASE WHEN speaker = 'agent' THEN heard_ms ELSE 0 END) AS agent_ms,
    SUM(CASE WHEN speaker = 'agent' AND interrupted THEN 1 ELSE 0 END) AS interruptions
  FROM turns
  GROUP BY session_id
)
SELECT
  calls.dt,
  SUM(COALESCE(spoken.caller_ms, 0)) AS caller_ms,
  SUM(COALESCE(spoken.agent_ms, 0)) AS agent_ms,
  SUM(GREATEST(calls.duration_ms - COALESCE(spoken.caller_ms, 0) - COALESCE(spoken.agent_ms, 0), 0)) AS silence_ms,
  SUM(COALESCE(spoken.interruptions, 0)) AS interruptions
FROM calls
LEFT JOIN spoken ON spoken.session_id = calls.session_id
GROUP BY calls.dt
ORDER BY calls.dt
