-- What happened to models: steps in their lives (the audit log holds those too), and once a minute how far what they
-- are asked and what they say has drifted from their training. No person, session or user is in it.
create table model_events (
    id bigint generated always as identity primary key,
    ts timestamptz not null,
    model text not null,
    version text not null,
    event text not null, -- register, promote, rollback, shadow, share, drift
    fields jsonb not null,
    digest bytea not null unique
);
create index model_events_by_model on model_events (model, event, ts);
