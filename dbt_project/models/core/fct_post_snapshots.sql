{{ config(
    unique_key='post_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['posts', 'post_metrics']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}
{#- The versions of an edited post are one post, named by its first version. #}
{%- set key = 'business_id, platform, account_id, first_post_id' %}
{%- set known = post_metrics() | join(', ') %}

with
{% if continues() %}
    arrived as (
        select distinct
            business_id,
            platform,
            account_id,
            post_id,
            version_ids,
            {{ first_version() }} as first_post_id
        from {{ ref('int_post_metrics_unioned') }}
        where run_id = any({{ claimed_runs() }})
    ),

    touched as (
        select distinct
            {{ key }},
            {{ surrogate_key(key.split(', ')) }} as post_key
        from arrived
    ),

    -- Versions that this build does not bring: those before, and those that came earlier.
    versions as (
        select post_id from arrived
        union
        select unnest(version_ids) from arrived
        union
        select present.post_id
        from {{ this }} as present
        inner join touched
            on present.post_key = touched.post_key
        where touched.platform = 'twitter'
    ),
{% endif %}

all_readings as (
    select
        *,
        {{ first_version() }} as first_post_id
    from {{ ref('int_post_metrics_unioned') }}
    {% if continues() %}
        -- Arrays reach the indexes of the raw tables through the union; the row comparison makes it exact.
        where
            business_id = any(array(select distinct business_id from touched))
            and account_id = any(array(select distinct account_id from touched))
            and post_id = any(array(select post_id from versions))
            and (business_id, platform, account_id, {{ first_version() }}) in (select {{ key }} from touched)
    {% endif %}
),

readings as (
    select distinct on ({{ key }}, stream, observed_at) *
    from all_readings
    order by {{ key }}, stream, observed_at, cardinality(version_ids) desc nulls last
),

-- At each instant: which reading of each stream was the last.
instants as (
    select distinct
        {{ key }},
        observed_at,
        max(observed_at) filter (where stream = 'posts') over so_far as posts_observed_at,
        max(observed_at) filter (where stream = 'post_metrics') over so_far as post_metrics_observed_at
    from readings
    window so_far as (partition by {{ key }} order by observed_at)
),

carried_forward as (
    select
        instants.business_id,
        instants.platform,
        instants.account_id,
        instants.first_post_id,
        coalesce(own.post_id, apart.post_id) as post_id,
        instants.observed_at,
        {% for metric in post_metrics() %}
            coalesce(own.{{ metric }}, apart.{{ metric }}) as {{ metric }}{% if not loop.last %},{% endif %}
        {% endfor %}
    from instants
    left join readings as own
        on
            instants.business_id = own.business_id
            and instants.platform = own.platform
            and instants.account_id = own.account_id
            and instants.first_post_id = own.first_post_id
            and instants.posts_observed_at = own.observed_at
            and own.stream = 'posts'
    left join readings as apart
        on
            instants.business_id = apart.business_id
            and instants.platform = apart.platform
            and instants.account_id = apart.account_id
            and instants.first_post_id = apart.first_post_id
            and instants.post_metrics_observed_at = apart.observed_at
            and apart.stream = 'post_metrics'
),

compared as (
    select
        *,
        array[{{ known }}] as known,
        lag(
            array[{{ known }}],
            1,
            array_fill(cast(null as numeric), array[{{ post_metrics() | length }}])
        ) over (partition by {{ key }} order by observed_at) as known_before
    from carried_forward
),

final as (
    select
        {{ surrogate_key(key.split(', ')) }} as post_key,
        business_id,
        platform,
        account_id,
        post_id,
        observed_at,
        {{ known }}
    from compared
    where known is distinct from known_before
)

select * from final
