with source as (
    {{ passed_rows(source('twitter', 'twitter__post_metrics')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        coalesce(
            {{ json_number('$.non_public_metrics.url_link_clicks') }},
            {{ json_number('$.organic_metrics.url_link_clicks') }}
        ) as url_link_clicks
    from source
)

select * from final
