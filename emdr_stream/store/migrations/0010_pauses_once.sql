-- A pause that was made stricter counted once more: it is one until the resume.
update session_rollups r set pauses = told.pauses, client_stops = told.client_stops
from (
    select session_id, count(distinct resumes)::int as pauses,
        count(distinct resumes) filter (where reason = 'client_stop')::int as client_stops
    from (select session_id, fields->>'action' as action, fields->>'reason' as reason,
            count(*) filter (where fields->>'action' = 'resume') over (partition by session_id order by ts, id) as resumes
        from control_events) as controlled
    where action = 'pause' group by session_id
) as told
where told.session_id = r.session_id and (r.pauses, r.client_stops) is distinct from (told.pauses, told.client_stops);
