with source as (
    {{ passed_rows(source('instagram', 'instagram__audience')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_subject() }} as breakdown,
        {{ key_day() }} as measured_date,
        observed_at,
        jsonb_path_query_array(payload, '$.total_value.breakdowns[*].results[*]') as results
    from source
)

select * from final
