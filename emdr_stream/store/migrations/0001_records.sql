-- What a session leaves behind. `fields` holds the values of the record's kind as the service told them.

create table users (
    user_id text primary key, -- a pseudonym: the `sub` of the token
    first_seen timestamptz not null
);

create table sessions (
    session_id text primary key,
    user_id text not null references users,
    epoch bigint not null, -- the newest owner's fencing token: rows of a lower one are refused
    first_seen timestamptz not null,
    updated_at timestamptz not null,
    fields jsonb not null default '{}'
);
create index sessions_by_user on sessions (user_id, first_seen);

-- One row per second of a session. Partitions are made by the month, when the first row of a month comes.
create table seconds (
    session_id text not null,
    epoch bigint not null,
    ts timestamptz not null,
    fields jsonb not null,
    primary key (session_id, ts, epoch)
) partition by range (ts);

-- `digest` identifies the row's contents, so that a batch written twice is stored once.
create table sets (
    id bigint generated always as identity primary key,
    session_id text not null references sessions on delete cascade,
    epoch bigint not null,
    ts timestamptz not null,
    fields jsonb not null,
    digest bytea not null unique
);
create index sets_by_session on sets (session_id, ts);

create table ratings (
    id bigint generated always as identity primary key,
    session_id text not null references sessions on delete cascade,
    epoch bigint not null,
    ts timestamptz not null,
    fields jsonb not null,
    digest bytea not null unique
);
create index ratings_by_session on ratings (session_id, ts);

create table control_events (
    id bigint generated always as identity primary key,
    session_id text not null references sessions on delete cascade,
    epoch bigint not null,
    ts timestamptz not null,
    fields jsonb not null,
    digest bytea not null unique
);
create index control_events_by_session on control_events (session_id, ts);

create table adaptations (
    id bigint generated always as identity primary key,
    session_id text not null references sessions on delete cascade,
    epoch bigint not null,
    ts timestamptz not null,
    fields jsonb not null,
    digest bytea not null unique
);
create index adaptations_by_session on adaptations (session_id, ts);
