with source as (
    {{ passed_rows(source('facebook', 'facebook__audience')) }}
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
        payload -> 'value' as followers_by_value
    from source
)

select * from final
