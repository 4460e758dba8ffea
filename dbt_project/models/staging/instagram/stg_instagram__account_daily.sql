{%- set results = '$.total_value.breakdowns[*].results[*]' %}
with source as (
    {{ passed_rows(source('instagram', 'instagram__account_daily')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_subject() }} as metric,
        {{ key_day() }} as measured_date,
        observed_at,
        coalesce({{ json_number('$.value') }}, {{ json_number('$.total_value.value') }}) as value,
        {{ json_number(results ~ ' ? (@.dimension_values[0] == "FOLLOWER").value') }} as follows,
        {{ json_number(results ~ ' ? (@.dimension_values[0] == "NON_FOLLOWER").value') }} as unfollows
    from source
)

select * from final
