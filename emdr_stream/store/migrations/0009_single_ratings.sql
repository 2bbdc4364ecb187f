-- A rating alone was the first and the last of its session, and counted as a change of nothing: it is the last one only.
update session_rollups r set
    sud_first = case when given.sud > 1 then r.sud_first end,
    voc_first = case when given.voc > 1 then r.voc_first end
from (
    select session_id, count(*) filter (where fields->>'scale' = 'sud') as sud,
        count(*) filter (where fields->>'scale' = 'voc') as voc
    from ratings group by session_id
) as given
where given.session_id = r.session_id and (given.sud = 1 or given.voc = 1);
