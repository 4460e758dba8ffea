"""Calls that a platform counts as several: so many places at once, and what is kept for one that was turned away.

Also what the ledger says of them, and what answered calls have paid for retries.
Revision: 0012, after 0011.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

COLUMNS = """
alter table ops.rate_budgets
    add column kept_places integer not null default 0,
    add column kept_until timestamptz,
    add column earned double precision not null default 0,
    add column earned_at timestamptz;
comment on column ops.rate_budgets.kept_places is 'Places that lighter calls leave to one that was turned away.';
comment on column ops.rate_budgets.kept_until is 'When they are free for all, should it not come back.';
comment on column ops.rate_budgets.earned is 'Of `:retries` rows: retries in a row that answered calls have paid for.';
comment on column ops.rate_budgets.earned_at is 'When an answered call last paid; an hour later that is forgotten.';
alter table ops.extract_runs add column charged bigint not null default 0;
comment on column ops.extract_runs.calls is 'HTTP calls, retries among them.';
comment on column ops.extract_runs.charged is 'The same calls as the platform counts them: a batch is one per part.';
"""

# docs/adr/0008-exact-windows.md derives the schedule. Rows are locked in the order of `keys`. A call of several places
# is promised them all at one instant: when the last of them is free, all are. One statement of the client: a process
# that freezes never holds a lock.
FUNCTION = """
create function ops.reserve_places(
    keys text[],
    allowances integer[],
    spans double precision[],
    pardons text[],
    gates text[],
    patience double precision,
    weight integer default 1,
    out wait_seconds double precision,
    out asked_at timestamptz,
    out refused_by text,
    out allowed_at timestamptz,
    out why text,
    out is_troubled boolean
)
language plpgsql as $$
declare
    budget ops.rate_budgets;
    own timestamptz[] := '{}';
    earliest timestamptz;
    together timestamptz := '-infinity';
    block_size bigint;
    blocks bigint;
    span interval;
    pace double precision;
    left_calls integer;
    taken bigint;
    last_block bigint;
    kept timestamptz;
    ring timestamptz[];
begin
    is_troubled := false;
    for budget in select * from ops.rate_budgets as gate where gate.budget = any (gates) loop
        is_troubled := is_troubled or budget.failures > 0;
        if greatest(budget.blocked_until, budget.probe_until) > clock_timestamp() then
            refused_by := budget.budget;
            allowed_at := greatest(budget.blocked_until, budget.probe_until);
            why := budget.blocked_reason;
        end if;
    end loop;
    if refused_by is not null then
        asked_at := clock_timestamp();
        wait_seconds := extract(epoch from allowed_at - asked_at);
        return;
    end if;

    for number in 1 .. cardinality(keys) loop
        select * into budget from ops.rate_budgets as known where known.budget = keys[number] for update;
        if not found then
            insert into ops.rate_budgets (budget) values (keys[number]) on conflict do nothing;
            select * into budget from ops.rate_budgets as known where known.budget = keys[number] for update;
        end if;
        asked_at := clock_timestamp();
        earliest := asked_at;
        if not keys[number] = any (pardons) then
            earliest := greatest(earliest, budget.blocked_until);
        end if;
        if allowances[number] is not null then
            block_size := ceil(allowances[number] / 200.0);
            blocks := allowances[number] / block_size;
            span := make_interval(secs => spans[number] + greatest(spans[number] * 0.015, 0.05));
            pace := extract(epoch from span) / (blocks * block_size - block_size + 1);
            if budget.calls is distinct from allowances[number] or budget.seconds is distinct from spans[number] then
                -- Another allowance than before: what may still be in its window counts as promised just now.
                select least(blocks, ceil(count(*) * coalesce(ceil(budget.calls / 200.0), 0) / block_size)) into taken
                from unnest(budget.marks) as mark
                where mark > asked_at - greatest(span, make_interval(secs => budget.seconds * 1.015 + 0.05));
                update ops.rate_budgets as known set
                    calls = allowances[number],
                    seconds = spans[number],
                    places = taken * block_size,
                    marks = case when taken > 0 then array_fill(budget.latest_at, array[taken::int]) else '{}' end,
                    opens_at = null
                where known.budget = keys[number]
                returning * into budget;
            end if;
            if weight > blocks * block_size then
                raise exception 'a call of % places never fits into %', weight, keys[number];
            end if;
            -- Marks grow along the ring, so the last place of a heavy call decides when all of them are free.
            last_block := (budget.places + weight - 1) / block_size;
            if budget.places % block_size = 0 or last_block > budget.places / block_size then
                earliest := greatest(earliest, budget.marks[last_block % blocks + 1] + span);
            else
                earliest := greatest(earliest, budget.opens_at);
            end if;
            -- Whoever finds others waiting comes after them, evenly.
            if budget.last_place_at > asked_at then
                earliest := greatest(earliest, budget.last_place_at + make_interval(secs => pace * weight));
            end if;
            -- A heavier call was turned away: what becomes free until its time is kept for it.
            if budget.kept_places > weight and budget.kept_until > asked_at then
                taken := least(budget.kept_places + weight, blocks * block_size);
                last_block := (budget.places + taken - 1) / block_size;
                if last_block > budget.places / block_size then
                    kept := budget.marks[last_block % blocks + 1] + span;
                    earliest := greatest(earliest, case when kept is not null then least(kept, budget.kept_until) end);
                end if;
            end if;
            -- From 90 of 100 used on: what is left is spread over the window, or the pace falls with what is left.
            if budget.window_used >= 0.9 * budget.window_limit
                and (budget.window_resets_at is null or budget.window_resets_at > asked_at)
                and not (budget.window_used >= budget.window_limit and keys[number] = any (pardons)) then
                left_calls := greatest(budget.window_limit - budget.window_used, 0);
                pace := case
                    when budget.window_resets_at is null
                        then pace * budget.window_limit / greatest(left_calls, 1)
                    else extract(epoch from budget.window_resets_at - asked_at) / (left_calls + 1)
                end;
                earliest := greatest(earliest, budget.last_place_at + make_interval(secs => pace * weight));
            end if;
        end if;
        own := own || earliest;
        if earliest > together then
            together := earliest;
            refused_by := keys[number];
            allowed_at := greatest(earliest, budget.blocked_until);
            why := case when budget.blocked_until > asked_at then budget.blocked_reason end;
        end if;
    end loop;

    wait_seconds := greatest(extract(epoch from together - asked_at), 0);
    if wait_seconds > patience then
        -- Lighter calls would take what becomes free, one by one, so that a heavy one never came to its turn.
        if weight > 1 and why is null then
            update ops.rate_budgets as known set
                kept_places = greatest(weight, case when kept_until > asked_at then kept_places else 0 end),
                kept_until = together + make_interval(secs => patience)
            where known.budget = refused_by;
        end if;
        return;
    end if;
    if is_troubled then
        -- A circuit whose pause is over lets one call through, and the others when that one has an answer.
        for budget in select * from ops.rate_budgets as gate where gate.budget = any (gates) for update loop
            if budget.failures > 0 and budget.blocked_until is not null then
                if budget.probe_until > clock_timestamp() then
                    refused_by := budget.budget;
                    allowed_at := budget.probe_until;
                    wait_seconds := extract(epoch from budget.probe_until - clock_timestamp());
                    why := budget.blocked_reason;
                    return;
                end if;
                update ops.rate_budgets as gate set probe_until = clock_timestamp() + interval '5 minutes'
                where gate.budget = budget.budget;
            end if;
        end loop;
    end if;
    refused_by := null;

    for number in 1 .. cardinality(keys) loop
        if allowances[number] is null then
            update ops.rate_budgets as known set
                places = places + weight,
                window_used = case when window_resets_at > asked_at then window_used else 0 end + weight,
                window_resets_at = date_trunc('day', asked_at at time zone 'UTC') at time zone 'UTC' + interval '1 day',
                updated_at = asked_at
            where known.budget = keys[number];
        else
            block_size := ceil(allowances[number] / 200.0);
            blocks := allowances[number] / block_size;
            span := make_interval(secs => spans[number] + greatest(spans[number] * 0.015, 0.05));
            select * into budget from ops.rate_budgets as known where known.budget = keys[number];
            last_block := (budget.places + weight - 1) / block_size;
            if budget.places % block_size = 0 or last_block > budget.places / block_size then
                budget.opens_at := budget.marks[last_block % blocks + 1] + span;
            end if;
            ring := budget.marks;
            for block in budget.places / block_size .. last_block loop
                ring[block % blocks + 1] := greatest(budget.latest_at, together);
            end loop;
            update ops.rate_budgets as known set
                places = places + weight,
                opens_at = budget.opens_at,
                marks = ring,
                last_place_at = greatest(last_place_at, own[number]),
                latest_at = greatest(latest_at, together),
                kept_places = case when kept_places > weight then kept_places else 0 end,
                updated_at = asked_at
            where known.budget = keys[number];
        end if;
    end loop;
end
$$;
comment on function ops.reserve_places is
    'Promises `weight` places in every budget at one instant, or says who refuses, until when and why.';
"""


def upgrade() -> None:
    """Add the columns and replace the function; a process of the release before calls it without a weight."""
    former = "drop function ops.reserve_places(text[], integer[], double precision[], text[], text[], double precision)"
    for statement in (COLUMNS, former, FUNCTION):
        # The body holds colons and percent signs, which are no parameters.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
