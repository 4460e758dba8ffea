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
{#- Unique counts are never summed, not even to compare them. #}
{%- set summed = post_metrics() | reject('equalto', 'reach') | list %}

with readings as (
    select
        *,
        {{ surrogate_key(['business_id', 'platform', 'account_id', first_version()]) }} as post_key
    from {{ ref('int_post_metrics_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% else %}
        -- What Fivetran loaded came in no run of ours.
        where run_id is not null
    {% endif %}
),

compared as (
    select
        readings.run_id,
        readings.business_id,
        readings.platform,
        readings.account_id,
        readings.platform || '__' || readings.stream as stream,
        {% for metric in summed %}
            readings.{{ metric }} as listed_{{ metric }},
            in_force.{{ metric }} as core_{{ metric }},
            fct.{{ metric }} as mart_{{ metric }},
        {% endfor %}
        dim.post_key is null as is_orphan,
        replace(dim.excluded_because, ' ', '_') as excluded_because,
        dim.post_id <> readings.post_id as is_edited,
        fct.metrics_observed_at > readings.observed_at as is_followed
    from readings
    left join {{ ref('dim_posts') }} as dim on readings.post_key = dim.post_key
    left join {{ ref('fct_posts') }} as fct on readings.post_key = fct.post_key
    left join lateral (
        select *
        from {{ ref('fct_post_snapshots') }} as snapshots
        where snapshots.post_key = readings.post_key and snapshots.observed_at <= readings.observed_at
        order by snapshots.observed_at desc
        limit 1
    ) as in_force on true
),

-- One row per number that was told: what the platform said, what core says of that instant, what the mart shows now.
told as (
    {% for metric in summed %}
        select
            run_id,
            business_id,
            platform,
            account_id,
            stream,
            '{{ metric }}' as metric,
            listed_{{ metric }} as listed,
            core_{{ metric }} as in_core,
            mart_{{ metric }} as in_mart,
            is_orphan,
            excluded_because,
            is_edited,
            is_followed
        from compared
        where listed_{{ metric }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

judged as (
    select
        *,
        case
            when (in_core is distinct from listed) and is_edited then 'edited'
            when (in_core is distinct from listed) then 'missing_in_core'
            when is_orphan then 'orphan_statistics'
            when excluded_because is not null then excluded_because
            when in_mart = listed then 'in_mart'
            when is_followed then 'superseded'
            else 'missing_in_mart'
        end as fate
    from told
),

by_fate as (
    select
        run_id,
        business_id,
        platform,
        account_id,
        stream,
        metric,
        fate,
        count(*) as records,
        sum(listed) as listed,
        coalesce(sum(in_core), 0) as in_core,
        coalesce(sum(in_mart), 0) as in_mart
    from judged
    group by run_id, business_id, platform, account_id, stream, metric, fate
),

found as (
    select
        by_fate.run_id,
        by_fate.business_id,
        by_fate.platform,
        by_fate.account_id,
        by_fate.stream,
        by_fate.metric,
        cast(sum(by_fate.records) as bigint) as records,
        sum(by_fate.listed) as listed,
        sum(by_fate.in_core) as in_core,
        sum(by_fate.in_mart) as in_mart,
        sum(by_fate.listed) - sum(by_fate.in_mart) as difference,
        coalesce(
            jsonb_object_agg(by_fate.fate, by_fate.listed - by_fate.in_mart) filter (where by_fate.fate <> 'in_mart'),
            '{}'
        ) as reasons,
        cast(
            coalesce(
                sum(by_fate.records) filter (
                    where by_fate.fate <> 'in_mart' and not coalesce(reasons.is_explained, false)
                ),
                0
            ) as bigint
        ) as unexplained,
        clock_timestamp() as audited_at
    from by_fate
    left join {{ ref('reconciliation_reasons') }} as reasons on by_fate.fate = reasons.reason
    group by
        by_fate.run_id,
        by_fate.business_id,
        by_fate.platform,
        by_fate.account_id,
        by_fate.stream,
        by_fate.metric
),

final as (
    {{ findings('found') }}
)

select * from final
