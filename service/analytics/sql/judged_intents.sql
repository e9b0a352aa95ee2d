-- What callers wanted and whether they got it, in a model's opinion, beside what became of the call; most frequent first.
SELECT
  analysis.data.model AS model,
  analysis.data.prompt_version AS prompt_version,
  analysis.data.judgement.intent AS intent,
  analysis.data.judgement.resolution AS resolution,
  calls.disposition AS disposition,
  COUNT(*) AS judged_calls
FROM analysis
INNER JOIN calls ON calls.session_id = analysis.sessionid AND calls.dt = analysis.dt
WHERE analysis.data.status = 'judged'
GROUP BY 1, 2, 3, 4, 5
ORDER BY 6 DESC, 1, 2, 3, 4, 5
