-- One row per session, summed up from its other rows: what dashboards read instead of millions of seconds. It is made
-- some time after the session's end, and made anew when rows of the session come late; it can always be made again.
create table session_rollups (
    session_id text primary key references sessions on delete cascade,
    user_id text not null,
    began timestamptz not null,
    ended timestamptz not null,
    seconds integer not null,
    seen integer not null,
    scored integer not null,
    calm integer not null,
    processing integer not null,
    hyperarousal integer not null,
    hypoarousal integer not null,
    drowsy integer not null,
    cautious integer not null,
    alarmed integer not null,
    paused integer not null,
    risk_mean double precision,
    risk_max double precision,
    crisis_max double precision,
    valence_mean double precision,
    arousal_mean double precision,
    attention_mean double precision,
    sud_first double precision,
    sud_last double precision,
    voc_first double precision,
    voc_last double precision,
    sets integer not null,
    pauses integer not null,
    client_stops integer not null,
    alerts integer not null,
    severe integer not null,
    acks integer not null,
    ack_s_sum double precision not null,
    ack_s_max double precision,
    kinds jsonb not null
);
create index session_rollups_by_user on session_rollups (user_id, began, session_id);
create index session_rollups_by_time on session_rollups (began);

-- The state of the session that its sums were made of; null: never, or they are to be made anew.
alter table sessions add column rolled_for timestamptz;
create index sessions_to_roll_up on sessions (updated_at) where rolled_for is distinct from updated_at;

-- Results of questionnaires, and ratings given outside a session.
create table questionnaires (
    id bigint generated always as identity primary key,
    user_id text not null references users on delete cascade,
    measure text not null, -- pcl5, sud, voc
    target text not null, -- the memory; empty for pcl5
    value double precision not null,
    ts timestamptz not null,
    entered_by text not null,
    unique (user_id, measure, target, ts)
);
