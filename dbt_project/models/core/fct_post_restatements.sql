{{ config(
    unique_key=['post_key', 'metric', 'observed_at'],
    incremental_strategy='sync_parts',
    pre_hook="{{ claim_runs(['posts', 'post_metrics'], after={
        'dim_posts': ['posts'],
        'fct_post_snapshots': ['posts', 'post_metrics'],
    }) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}, {{ ref('int_posts_unioned') }}, {{ ref('int_post_metrics_unioned') }}
{#- A post that has fallen once has always fallen: whatever arrives in between, one of its steps leads down. So no post
    leaves this table, which sync_parts would not notice. #}
with
{% if continues() %}
    touched as (
        {{ posts_of_claimed_runs() }}
    ),
{% endif %}

snapshots as (
    select * from {{ ref('fct_post_snapshots') }}
    {% if continues() %}
        where post_key = any(array(select post_key from touched))
    {% endif %}
),

compared as (
    select
        *,
        lag(post_id) over before as post_id_before,
        {% for metric in post_metrics() %}
            {{ last_known(metric) }} over before as {{ metric }}_before{% if not loop.last %},{% endif %}
        {% endfor %}
    from snapshots
    window before as (
        partition by post_key
        order by observed_at
        rows between unbounded preceding and 1 preceding
    )
),

fallen as (
    select
        compared.post_key,
        compared.business_id,
        compared.platform,
        compared.account_id,
        compared.observed_at,
        metrics.metric,
        metrics.known_before[2] as old_value,
        metrics.new_value,
        timestamptz '1970-01-01 00:00:00+00' + metrics.known_before[1] * interval '1 second' as old_observed_at,
        case when compared.post_id <> compared.post_id_before then 'edited' else 'restated' end as cause
    from compared
    {{ with_each_metric('compared', post_metrics()) }}
    where metrics.new_value < metrics.known_before[2]
),

final as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        metric,
        observed_at,
        old_observed_at,
        old_value,
        new_value,
        cause
    from fallen
)

select * from final
