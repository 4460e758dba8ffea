with source as (
    {{ passed_rows(source('linkedin', 'linkedin__video_metrics')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        payload ->> 'entity' as post_id,
        -- The statistic's own name is known from a client alone; ours ends the record key.
        split_part(record_key, ':', -1) as statistic,
        observed_at,
        {{ json_number('$.value') }} as value
    from source
)

select * from final
