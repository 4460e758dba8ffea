{{ config(
    unique_key=['post_key', 'metric'],
    incremental_strategy='sync_parts',
    pre_hook="{{ claim_runs(['posts', 'post_metrics'], after={
        'dim_posts': ['posts'],
        'fct_post_snapshots': ['posts', 'post_metrics'],
        'fct_looks': ['posts', 'post_metrics'],
    }) }}",
    indexes=[{'columns': ['business_id', 'platform', 'account_id', 'is_settled']}],
    post_hook="{{ note_changes({'post': 'post_key'}) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}, {{ ref('int_posts_unioned') }}, {{ ref('int_post_metrics_unioned') }}
{#- Two monthly reads of everything: what is unchanged for longer is not looked for, or old posts would cost most. #}
{%- set looked_for = "interval '62 days'" %}

-- Inlined, so that each look-up below finds its look by an index; many posts ask of the few that are fresh.
with looks as not materialized (
    select * from {{ ref('fct_looks') }}
),

{% if continues() %}
    fresh as materialized (
        select * from looks
        where is_whole and run_id = any({{ claimed_runs() }})
    ),

    -- A look that comes late may lie between any two others.
    late as (
        select distinct fresh.run_id
        from fresh
        inner join looks
            on
                fresh.business_id = looks.business_id
                and fresh.platform = looks.platform
                and fresh.account_id = looks.account_id
                and fresh.looked_at <= looks.ended_at
        where looks.run_id <> all({{ claimed_runs() }})
    ),

    -- The look before that saw at least as much: what happened until then is told already.
    followed as materialized (
        select
            fresh.*,
            case
                when fresh.run_id not in (select late.run_id from late)
                    then (
                        select max(looks.looked_at)
                        from looks
                        where
                            looks.is_whole
                            and looks.business_id = fresh.business_id
                            and looks.platform = fresh.platform
                            and looks.account_id = fresh.account_id
                            and looks.looked_at < fresh.looked_at
                            and looks.posts_since <= fresh.posts_since
                            and looks.posts_until >= looks.looked_at - interval '1 day'
                    )
            end as looked_before
        from fresh
    ),

    touched as (
        {{ posts_of_claimed_runs() }}
        union
        -- A look tells what became of the ages passed since the one before, and whether a curve has settled.
        select seen.post_key
        from followed
        inner join {{ ref('dim_posts') }} as seen
            on
                followed.business_id = seen.business_id
                and followed.platform = seen.platform
                and followed.account_id = seen.account_id
                and followed.posts_since <= seen.published_at
                and followed.posts_until > seen.published_at
        where
            followed.looked_before is null
            or seen.published_at > followed.looked_before - interval '31 days'
        union
        select present.post_key
        from {{ this }} as present
        inner join {{ ref('dim_posts') }} as seen on present.post_key = seen.post_key
        inner join fresh
            on
                present.business_id = fresh.business_id
                and present.platform = fresh.platform
                and present.account_id = fresh.account_id
                and present.last_changed_at >= fresh.looked_at - {{ looked_for }}
                and seen.published_at >= fresh.posts_since
                and seen.published_at < fresh.posts_until
        where not present.is_settled
        union
        -- Gone since, or back.
        select seen.post_key
        from {{ ref('dim_posts') }} as seen
        where
            seen.deleted_at is not null
            and not exists (
                select 1 from {{ this }} as present
                where present.post_key = seen.post_key and present.deleted_at = seen.deleted_at
            )
        union
        select present.post_key
        from {{ this }} as present
        where
            present.deleted_at is not null
            and not exists (
                select 1 from {{ ref('dim_posts') }} as seen
                where seen.post_key = present.post_key and seen.deleted_at = present.deleted_at
            )
    ),
{% endif %}

posts as (
    select * from {{ ref('dim_posts') }}
    {% if continues() %}
        where post_key = any(array(select post_key from touched))
    {% endif %}
),

snapshots as (
    select
        *,
        {{ add_known(['likes', 'comments', 'shares']) }} as engagement,
        lead(observed_at) over (partition by post_key order by observed_at) as next_observed_at
    from {{ ref('fct_post_snapshots') }}
    {% if continues() %}
        where post_key = any(array(select post_key from touched))
    {% endif %}
),

-- Raw keeps changes alone: a look that ended before the next change has seen this value once more.
held as (
    select
        snapshots.post_key,
        snapshots.business_id,
        snapshots.platform,
        snapshots.account_id,
        snapshots.impressions,
        snapshots.engagement,
        snapshots.observed_at,
        snapshots.next_observed_at,
        coalesce(last_look.looked_at, snapshots.observed_at) as known_until,
        posts.published_at,
        posts.deleted_at
    from snapshots
    inner join posts on snapshots.post_key = posts.post_key
    left join lateral (
        select looks.looked_at
        from looks
        where
            looks.is_whole
            and looks.business_id = snapshots.business_id
            and looks.platform = snapshots.platform
            and looks.account_id = snapshots.account_id
            and looks.looked_at > snapshots.observed_at
            and looks.looked_at <= snapshots.observed_at + {{ looked_for }}
            and looks.looked_at < coalesce(snapshots.next_observed_at, timestamptz 'infinity')
            and looks.looked_at < coalesce(posts.deleted_at, timestamptz 'infinity')
            and looks.ended_at < coalesce(snapshots.next_observed_at, timestamptz 'infinity')
            and looks.posts_since <= posts.published_at
            and looks.posts_until > posts.published_at
        order by looks.looked_at desc
        limit 1
    ) as last_look on true
),

curves as (
    select
        held.*,
        metrics.metric,
        metrics.value
    from held
    cross join lateral (values ('impressions', impressions), ('engagement', engagement)) as metrics (metric, value)
),

neighbours as (
    select
        *,
        lead(value) over by_time as next_value,
        lag(value) over by_time as value_before,
        lag(known_until) over by_time as known_until_before,
        max(value) over (by_time rows between unbounded preceding and 1 preceding) as highest_before,
        ({{ last_known('value') }} over (partition by post_key, metric))[2] as final_value,
        max(known_until) filter (where value is not null) over (partition by post_key, metric) as last_seen_at
    from curves
    window by_time as (partition by post_key, metric order by observed_at)
),

final as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        metric,
        {% for age, hours in compared_ages() %}
            trim_scale(max({{ value_at(hours) }})) as value_{{ age }},
            {{ is_between_looks(hours) }} as is_interpolated_{{ age }},
        {% endfor %}
        max(final_value) as final_value,
        trim_scale({{ hours_to('0.5') }}) as hours_to_half,
        trim_scale({{ hours_to('0.9') }}) as hours_to_90,
        {{ hours_between('max(published_at)', 'min(observed_at) filter (where value is not null)') }}
            as first_seen_hours,
        -- Watched for so long after it was seen near its final value; or, without one, watched for so long.
        max(last_seen_at) - coalesce(
            min(observed_at) filter (where {{ reaches('0.9') }}),
            min(observed_at) filter (where value is not null)
        ) >= {{ maturity() }} as is_settled,
        max(deleted_at) as deleted_at,
        max(observed_at) as last_changed_at
    from neighbours
    group by post_key, business_id, platform, account_id, metric
    having max(final_value) is not null
)

select * from final
