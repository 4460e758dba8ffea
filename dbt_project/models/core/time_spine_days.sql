{{ config(materialized='view') }}

with final as (
    select cast(days.day as date) as date_day
    from generate_series(timestamp '2004-01-01', timestamp '2050-12-31', interval '1 day') as days (day)
)

select * from final
