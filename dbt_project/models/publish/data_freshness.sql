{#- `age_hours` and `is_stale` are worked out anew at every read of the mart: a stopped pipeline ages too. -#}
{%- set age = "cast(extract(epoch from now() - last_success_at) / 3600 as numeric)" %}
{%- set stale = "last_success_at is null or last_success_at < now() - stale_after_hours * interval '1 hour'" %}
{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'stream'],
    'at_read': {'age_hours': age, 'is_stale': stale},
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
        stale_after_hours
    from streams
)

select * from final
