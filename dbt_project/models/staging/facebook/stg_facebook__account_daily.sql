with source as (
    {{ passed_rows(source('facebook', 'facebook__account_daily')) }}
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
        {{ json_number('$.value') }} as value
    from source
)

select * from final
