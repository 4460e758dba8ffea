{{ config(incremental_strategy='append', pre_hook="{{ forget_statistics() }}") }}

{#- Written by `python -m insights run`; this model only gives it its shape. -#}
with final as (
    select
        cast(null as bigint) as business_id,
        cast(null as text) as platform,
        cast(null as integer) as rank,
        cast(null as integer) as weekday,
        cast(null as integer) as hour,
        cast(null as text) as label,
        cast(null as numeric) as lift,
        cast(null as text) as verdict,
        cast(null as text) as evidence
    where false
)

select * from final
