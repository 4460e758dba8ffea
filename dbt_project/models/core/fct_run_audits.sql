{{ config(
    unique_key='run_id',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_audits() }}",
    post_hook=[
        "{{ keep_findings() }}",
        "{{ ensure_index(['run_id'], where='unexplained <> 0') }}",
    ],
) }}
-- depends_on: {{ ref('loaded_runs') }}

with runs as (
    select * from {{ ref('stg_ops__extract_runs') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
        union all
        -- What did not pass is told as well, and again when it changed.
        select waiting.*
        from {{ ref('stg_ops__extract_runs') }} as waiting
        left join {{ this }} as known on waiting.run_id = known.run_id
        where
            waiting.gate <> 'passed'
            and waiting.state <> 'running'
            and (known.gate, known.listed) is distinct from (waiting.gate, waiting.listed)
    {% else %}
        where state <> 'running'
    {% endif %}
),

staged as (
    select * from {{ ref('int_staged_records') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

posts as (
    select
        arrived.run_id,
        'posts' as stream,
        arrived.post_id as record_key,
        arrived.observed_at,
        dim.post_key is not null as is_in_core,
        case
            when dim.post_key is null then 'missing_in_core'
            when dim.excluded_because is not null then replace(dim.excluded_because, ' ', '_')
            when fct.post_key is null then 'missing_in_mart'
            when arrived.post_id <> dim.post_id then 'edited'
            when arrived.observed_at < dim.observed_at then 'superseded'
            else 'in_mart'
        end as fate
    from {{ ref('int_posts_unioned') }} as arrived
    left join {{ ref('dim_posts') }} as dim
        on dim.post_key = {{ surrogate_key([
            'arrived.business_id', 'arrived.platform', 'arrived.account_id', "coalesce(arrived.version_ids[1], arrived.post_id)",
        ]) }}
    left join {{ ref('fct_posts') }} as fct on dim.post_key = fct.post_key
    {% if continues() %}
        where arrived.run_id = any({{ claimed_runs() }})
    {% endif %}
),

readings as (
    select
        *,
        {{ surrogate_key(['business_id', 'platform', 'account_id', first_version()]) }} as post_key
    from {{ ref('int_post_metrics_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

post_metrics as (
    select
        readings.run_id,
        'post_metrics' as stream,
        readings.post_id as record_key,
        readings.observed_at,
        in_force.post_key is not null as is_in_core,
        case
            when
                coalesce(
                    {% for metric in post_metrics() %}
                        readings.{{ metric }}{% if not loop.last %},{% endif %}
                    {% endfor %}
                ) is null
                then 'tells_nothing'
            when in_force.post_key is null then 'missing_in_core'
            when dim.post_key is null then 'orphan_statistics'
            when dim.excluded_because is not null then replace(dim.excluded_because, ' ', '_')
            when fct.post_key is null then 'missing_in_mart'
            when readings.post_id <> dim.post_id then 'edited'
            when
                {% for metric in post_metrics() %}
                    coalesce(readings.{{ metric }} = fct.{{ metric }}, readings.{{ metric }} is null)
                    {% if not loop.last %}and{% endif %}
                {% endfor %}
                then 'in_mart'
            when fct.metrics_observed_at > readings.observed_at then 'superseded'
            else 'missing_in_mart'
        end as fate
    from readings
    left join {{ ref('dim_posts') }} as dim on readings.post_key = dim.post_key
    left join {{ ref('fct_posts') }} as fct on readings.post_key = fct.post_key
    left join lateral (
        select snapshots.post_key
        from {{ ref('fct_post_snapshots') }} as snapshots
        where snapshots.post_key = readings.post_key and snapshots.observed_at <= readings.observed_at
        order by snapshots.observed_at desc
        limit 1
    ) as in_force on true
    where readings.stream = 'post_metrics'
),

account_days as (
    select
        arrived.run_id,
        'account_daily' as stream,
        arrived.record_key,
        arrived.observed_at,
        days.measured_date is not null as is_in_core,
        case
            when days.measured_date is null then 'missing_in_core'
            when
                coalesce(
                    arrived.followers_stock,
                    arrived.followers_seen,
                    arrived.followers_gained,
                    arrived.followers_lost,
                    arrived.followers_net
                ) is null
                then 'core_only'
            when
                coalesce(
                    days.followers_count, days.followers_gained, days.followers_lost, days.followers_net
                ) is null
                then 'missing_in_mart'
            else 'in_mart'
        end as fate
    from {{ ref('int_account_daily_unioned') }} as arrived
    left join {{ ref('fct_account_daily') }} as days
        on
            arrived.business_id = days.business_id
            and arrived.platform = days.platform
            and arrived.account_id = days.account_id
            and arrived.measured_date = days.measured_date
    {% if continues() %}
        where arrived.run_id = any({{ claimed_runs() }})
    {% endif %}
),

audiences as (
    select distinct
        arrived.run_id,
        'audience' as stream,
        arrived.record_key,
        arrived.observed_at,
        kept.observed_at is not null as is_in_core,
        case
            when kept.observed_at is null then 'missing_in_core'
            when kept.observed_at > arrived.observed_at then 'superseded'
            when kept.observed_at < arrived.observed_at then 'missing_in_mart'
            else 'in_mart'
        end as fate
    from {{ ref('int_demographics_unioned') }} as arrived
    left join lateral (
        select max(facts.observed_at) as observed_at
        from {{ ref('fct_audience_demographics') }} as facts
        where
            facts.business_id = arrived.business_id
            and facts.platform = arrived.platform
            and facts.account_id = arrived.account_id
            and facts.record_key = arrived.record_key
    ) as kept on true
    {% if continues() %}
        where arrived.run_id = any({{ claimed_runs() }})
    {% endif %}
),

stories as (
    select
        arrived.run_id,
        'stories' as stream,
        arrived.post_id as record_key,
        arrived.observed_at,
        kept.story_key is not null as is_in_core,
        case
            when kept.story_key is null then 'missing_in_core'
            -- Its description is of one look, its numbers may be of an earlier one.
            when arrived.observed_at in (kept.observed_at, kept.metrics_observed_at) then 'in_mart'
            when arrived.observed_at < kept.observed_at then 'superseded'
            else 'missing_in_mart'
        end as fate
    from {{ ref('stg_instagram__stories') }} as arrived
    left join {{ ref('fct_stories') }} as kept
        on
            arrived.business_id = kept.business_id
            and arrived.account_id = kept.account_id
            and arrived.post_id = kept.post_id
    {% if continues() %}
        where arrived.run_id = any({{ claimed_runs() }})
    {% endif %}
),

followed as (
    select * from posts
    union all
    select * from post_metrics
    union all
    select * from account_days
    union all
    select * from audiences
    union all
    select * from stories
),

-- Every staged record has exactly one fate.
judged as (
    select
        staged.run_id,
        followed.is_in_core,
        coalesce(
            followed.fate,
            case split_part(staged.stream, '__', 2)
                when 'posts' then 'missing_in_core'
                when 'stories' then 'missing_in_core'
                when 'profile' then 'undated'
                when 'account_daily' then 'undated'
                when 'audience' then 'tells_nothing'
                when 'post_metrics' then 'tells_nothing'
                else 'not_modelled'
            end
        ) as fate
    from staged
    left join followed
        on
            staged.run_id = followed.run_id
            and replace(split_part(staged.stream, '__', 2), 'profile', 'account_daily') = followed.stream
            and staged.record_key = followed.record_key
            and staged.observed_at = followed.observed_at
),

counted as (
    select
        run_id,
        sum(records) as staged,
        sum(in_core) filter (where fate <> 'not_modelled') as in_core,
        coalesce(sum(records) filter (where fate = 'in_mart'), 0) as in_mart,
        coalesce(jsonb_object_agg(fate, records) filter (where fate <> 'in_mart'), '{}') as fates
    from (
        select
            run_id,
            fate,
            count(*) as records,
            count(*) filter (where is_in_core) as in_core
        from judged
        group by run_id, fate
    ) as by_fate
    group by run_id
),

aside as (
    select
        runs.run_id,
        least(runs.quarantined, count(entries.quarantine_id)) as records
    from runs
    inner join {{ ref('stg_ops__set_aside') }} as entries on runs.run_id in (entries.run_id, entries.last_run_id)
    group by runs.run_id, runs.quarantined
),

reasoned as (
    select
        runs.*,
        coalesce(counted.staged, 0) as staged,
        case when runs.gate <> 'passed' or counted.run_id is null then 0 else counted.in_core end as in_core,
        coalesce(counted.in_mart, 0) as in_mart,
        coalesce(counted.fates, '{}') || jsonb_strip_nulls(jsonb_build_object(
            'set_aside', nullif(coalesce(aside.records, 0), 0),
            'unreadable', nullif(runs.quarantined - coalesce(aside.records, 0), 0),
            case
                when runs.gate = 'quarantined' then 'held_by_gate'
                when runs.gate = 'pending' then 'awaiting_gate'
                when not accounts.is_enabled then 'erased'
                else 'missing_in_raw'
            end, nullif(runs.stored - coalesce(counted.staged, 0), 0)
        )) as reasons
    from runs
    left join counted on runs.run_id = counted.run_id
    left join aside on runs.run_id = aside.run_id
    left join {{ ref('stg_ops__accounts') }} as accounts
        on
            runs.business_id = accounts.business_id
            and runs.platform = accounts.platform
            and runs.account_id = accounts.account_id
),

found as (
    select
        run_id,
        business_id,
        platform,
        account_id,
        stream,
        gate,
        finished_at,
        listed,
        stored,
        unchanged,
        quarantined,
        cast(staged as bigint) as staged,
        cast(in_core as bigint) as in_core,
        cast(in_mart as bigint) as in_mart,
        listed - unchanged - cast(in_mart as bigint) as difference,
        reasons,
        -- What no reason explains: something was lost, or the counts contradict each other.
        (
            select coalesce(sum(cast(told.value as bigint)), 0)
            from jsonb_each_text(reasons) as told
            left join {{ ref('reconciliation_reasons') }} as known on told.key = known.reason
            where not coalesce(known.is_explained, false)
        ) + abs(
            listed - unchanged - cast(in_mart as bigint)
            - (select coalesce(sum(cast(told.value as bigint)), 0) from jsonb_each_text(reasons) as told)
        ) as unexplained,
        clock_timestamp() as audited_at
    from reasoned
),

final as (
    {{ findings('found') }}
)

select * from final
