{{ config(incremental_strategy='append') }}

{#- Written by the table of post history (macros/post_history.sql); this model only gives it its shape. -#}
with final as (
    select
        cast(null as text) as post_key,
        cast(null as bigint) as business_id,
        cast(null as text) as platform,
        cast(null as text) as account_id,
        cast(null as text) as post_id,
        cast(null as timestamptz) as read_until
    where false
)

select * from final
