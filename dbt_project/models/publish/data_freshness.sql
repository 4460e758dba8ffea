{#- Worked out at every read, since a publication that failed changes no mart. A killed one has left its row behind. -#}
{%- set attempts = "from ops.publications as attempts where "
    ~ "(attempts.businesses is null or published.business_id = any(attempts.businesses)) " %}
{%- set published_at = "(select attempts.ended_at " ~ attempts
    ~ "and attempts.outcome = 'published' order by attempts.publication_id desc limit 1)" %}
{%- set problem = "(select case when attempts.outcome = 'refused' then attempts.reason "
    ~ "when attempts.outcome = 'started' and not exists (select from pg_stat_activity as processes "
    ~ "where processes.pid = attempts.server_process) "
    ~ "then 'a publication began and was cut off; the one before it stands' end "
    ~ attempts ~ "order by attempts.publication_id desc limit 1)" %}
{#- `age_hours` and `is_stale` are worked out anew at every read of the mart: a stopped pipeline ages too. -#}
{%- set age = "cast(extract(epoch from now() - last_success_at) / 3600 as numeric)" %}
{%- set stale = "last_success_at is null or last_success_at < now() - stale_after_hours * interval '1 hour'" %}
{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'stream'],
    'at_read': {
        'age_hours': age,
        'is_stale': stale,
        'last_published_at': published_at,
        'publish_error': problem,
    },
}) }}

with streams as (
    select * from {{ ref('fct_stream_freshness') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        stream,
        last_success_at,
        {{ age }} as age_hours,
        {{ stale }} as is_stale,
        last_error,
        stale_after_hours,
        cast(null as timestamptz) as last_published_at,
        cast(null as text) as publish_error
    from streams
)

select * from final
