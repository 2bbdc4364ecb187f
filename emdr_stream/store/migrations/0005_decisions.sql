-- What the pattern optimiser proposed between two sets, and what therapists did with it. Nothing here acts by itself.
create table decisions (
    decision_id text primary key,
    user_id text not null,
    session_id text not null,
    therapist text not null, -- who asked for it
    ts timestamptz not null,
    policy text not null,
    present jsonb not null, -- the setting in force and the therapist's own one when it was made
    proposal jsonb not null -- every arm with what became of it and its probability, context, expected benefit
);
create index decisions_by_user on decisions (user_id, ts);
create index decisions_by_session on decisions (session_id, ts);

-- The first answer counts: a proposal is accepted or rejected once.
create table decision_answers (
    decision_id text primary key references decisions on delete cascade,
    user_id text not null,
    therapist text not null,
    ts timestamptz not null,
    answer text not null check (answer in ('accepted', 'rejected')),
    note text
);

-- Parts of the stimulation that proposals for a client leave as they are.
create table pattern_locks (
    user_id text not null,
    part text not null,
    therapist text not null,
    ts timestamptz not null,
    primary key (user_id, part)
);
