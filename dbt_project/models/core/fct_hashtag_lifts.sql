{{ config(incremental_strategy='append', pre_hook="{{ forget_statistics() }}") }}

{#- Written by `python -m insights run`; this model only gives it its shape. -#}
with final as (
    select
        cast(null as bigint) as business_id,
        cast(null as text) as platform,
        cast(null as text) as hashtag,
        cast(null as numeric) as lift,
        cast(null as numeric) as lift_low,
        cast(null as numeric) as lift_high,
        cast(null as numeric) as p_value,
        cast(null as numeric) as q_value,
        cast(null as text) as verdict
    where false
)

select * from final
