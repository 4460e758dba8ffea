{{ config(incremental_strategy='append', pre_hook="{{ forget_statistics() }}") }}

{#- Written by `python -m insights run`; this model only gives it its shape. -#}
with final as (
    select
        cast(null as bigint) as business_id,
        cast(null as text) as platform,
        cast(null as integer) as weekday,
        cast(null as integer) as hour,
        cast(null as integer) as posts,
        cast(null as numeric) as lift,
        cast(null as numeric) as lift_low,
        cast(null as numeric) as lift_high,
        cast(null as numeric) as lift_low_95,
        cast(null as numeric) as lift_high_95,
        cast(null as numeric) as probability_better,
        cast(null as text) as verdict,
        cast(null as numeric) as p_value,
        cast(null as integer) as posts_judged,
        cast(null as integer) as more_posts
    where false
)

select * from final
