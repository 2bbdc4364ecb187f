-- Answers to REST requests that named an `Idempotency-Key`, for a day: a repeat gets the first one's answer.
create table rest_answers (
    who text not null, -- role and sub of the caller: their keys are their own
    key text not null,
    digest bytea not null, -- SHA-256 over operation, path and body
    answer bytea, -- null while the first request is under way
    begun_at timestamptz not null default now(),
    primary key (who, key)
);
create index rest_answers_by_age on rest_answers (begun_at);
-- Sessions of everybody, newest first, in pages.
create index sessions_by_time on sessions (first_seen desc, session_id desc);
