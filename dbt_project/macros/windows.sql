{#
    The windows of 7, 30 and 90 local days up to today, and as `is_before` the equally long ones in front of them.
    Columns: business_id, window_days, is_before, since_date, until_date (both included).
#}
{% macro post_windows(businesses, as_of) -%}
    select
        businesses.business_id,
        lengths.window_days,
        positions.is_before,
        calendars.today - lengths.window_days * (1 + positions.shift) + 1 as since_date,
        calendars.today - lengths.window_days * positions.shift as until_date
    from {{ businesses }} as businesses
    cross join {{ as_of }} as as_of
    cross join lateral (select cast(as_of.as_of at time zone businesses.timezone as date) as today) as calendars
    cross join (values (7), (30), (90)) as lengths (window_days)
    cross join (values (false, 0), (true, 1)) as positions (is_before, shift)
{%- endmacro %}


{# Joins to every row the day, week and month that hold its day: columns period, period_start. #}
{% macro with_periods(day) -%}
    cross join lateral (
        values
            ('day', {{ day }}),
            ('week', {{ week_of(day) }}),
            ('month', {{ month_of(day) }})
    ) as periods (period, period_start)
{%- endmacro %}


{# The Monday of a day's week. #}
{% macro week_of(day) -%}
    cast(date_trunc('week', cast({{ day }} as timestamp)) as date)
{%- endmacro %}


{# The first of a day's month. #}
{% macro month_of(day) -%}
    cast(date_trunc('month', cast({{ day }} as timestamp)) as date)
{%- endmacro %}
